"""Modbus devices that do not exist: an RS-485 line on a pty, a Modbus/TCP meter, and the register maps of real meters.
They answer on real ports with real bytes and never import the agent they are read by."""
