"""int8 networks for OpenVINO, calibrated on the user's images; what they cost is measured on others."""
