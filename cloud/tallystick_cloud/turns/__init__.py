"""Turns at machines that several share: whose use it is."""
