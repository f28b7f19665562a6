"""The verifier: pure steps from the bytes of an evidence file and a policy to a report in words.
It never opens a file or a connection, and never believes anything that the policy's keys did not sign.
"""

from tallystick_protocol.verify.report import ERASED, VALID, VALID_SPLIT_AS_COMMITTED, Check, Report
from tallystick_protocol.verify.run import verify_evidence

__all__ = ["ERASED", "VALID", "VALID_SPLIT_AS_COMMITTED", "Check", "Report", "verify_evidence"]
