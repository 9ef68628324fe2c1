"""Fine-tuning: one recipe, one loop, and the objective that a protection hands to it."""

from mergebench.progress import Progress
from mergebench.train.classifier import Classifier
from mergebench.train.fine_tuned import FineTuned
from mergebench.train.full import FullTower
from mergebench.train.loop import make_tower, train
from mergebench.train.lora import LoraTower
from mergebench.train.objective import Losses, Objective, Step
from mergebench.train.recipe import FullRecipe, Recipe, ReleaseKind, TrainingRecipe
from mergebench.train.round_robin import Tuned, train_in_turn

__all__ = [
    "Classifier",
    "FineTuned",
    "FullRecipe",
    "FullTower",
    "LoraTower",
    "Losses",
    "Objective",
    "Progress",
    "Recipe",
    "ReleaseKind",
    "Step",
    "TrainingRecipe",
    "Tuned",
    "make_tower",
    "train",
    "train_in_turn",
]
