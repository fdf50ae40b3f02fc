"""From an event log to a trained run: leakage-safe histories, the CNN-LSTM, calibration, metrics."""
