"""Networks that detect objects: Mask R-CNN and Faster R-CNN, SSD and SSDLite, and what they share."""
