"""The gateway agent: reads meters, signs what it read, keeps it, and hands it over until it holds a receipt."""

__version__ = "0.1.0"
SOFTWARE = f"tallystick-edge {__version__}"
