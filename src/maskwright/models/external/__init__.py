"""Networks of other packages, behind the same interface: torchvision:NAME, timm:NAME."""
