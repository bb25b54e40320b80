"""Just enough of TensorFlow, Keras, imgaug and pycocotools for what scripts touch of them around mrcnn.

Used by `maskwright run` only, where the real package is absent. What has no meaning here is said once, by name.
"""
