"""`tallystick-edge doctor`: what is wrong with this gateway, which part it is, and what a person does next.
It looks and tells; it repairs nothing, and beside a running agent it asks no meter."""
