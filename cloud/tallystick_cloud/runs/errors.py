"""Why a step of any run is refused; nothing is changed then.

    CloudError
      NotSecondPerson   whoever asks may not release or handle this run

It never hides which party and which run is meant.
"""

from tallystick_cloud.errors import Forbidden


class NotSecondPerson(Forbidden):
    code = "not-second-person"
