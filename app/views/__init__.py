"""The only registry of views."""

from app.views.algorithm import AlgorithmView
from app.views.answers import AnswersView
from app.views.attention import AttentionView
from app.views.base import View
from app.views.circles import CirclesView
from app.views.clock import ClockView
from app.views.compare import CompareView
from app.views.graft import GraftView
from app.views.logits import LogitsView
from app.views.loss import LossView
from app.views.lottery import LotteryView
from app.views.neuron import NeuronView
from app.views.neurons import NeuronsView
from app.views.paper import PaperView
from app.views.race import RaceView
from app.views.solutions import SolutionsView
from app.views.spectrum import SpectrumView
from app.views.surgery import SurgeryView
from app.views.weights import WeightsView

VIEWS: list[type[View]] = [
    LossView, SpectrumView, RaceView, NeuronsView, NeuronView, AnswersView, LogitsView, AttentionView, WeightsView,
    SolutionsView, SurgeryView, GraftView, CirclesView, ClockView, AlgorithmView, LotteryView, CompareView, PaperView,
]  # fmt: skip
