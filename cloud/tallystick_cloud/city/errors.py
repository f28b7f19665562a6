"""What the situation room refuses.

CloudError
  NoSuchAlarm     the alarm is not one of this community
  AlarmTaken      somebody else has it, or it is over"""

from tallystick_cloud.errors import Conflict, NotFound


class NoSuchAlarm(NotFound):
    """There is no such alarm in the caller's community."""


class AlarmTaken(Conflict):
    """The alarm is not free to take."""
