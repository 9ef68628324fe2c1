from .images import grey_to_rgb as grey_to_rgb
from .images import pad_to_side as pad_to_side
from .splitting import deal as deal
from .suite_builder import build_suite as build_suite
from .task_images import LabelledImages as LabelledImages
