"""From samples to event uses: one small pure state machine per kind of asset.
Nothing here counts money or decides prices; it says when a use began, became billable and ended."""
