"""Gateways: claims, enrolment, what they say on connecting, what they are told."""
