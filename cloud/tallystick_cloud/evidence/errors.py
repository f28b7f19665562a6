"""Why there is no evidence file.

    CloudError
      NoEvidence   nothing is settled, or nothing in it concerns this party, or it is not under a checkpoint yet

It never says whether another party has any.
"""

from tallystick_cloud.errors import NotFound


class NoEvidence(NotFound):
    code = "no-evidence"
