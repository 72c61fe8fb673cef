"""The only registry of views."""

from app.views.base import View
from app.views.loss import LossView
from app.views.neuron import NeuronView
from app.views.neurons import NeuronsView
from app.views.spectrum import SpectrumView

VIEWS: list[type[View]] = [LossView, SpectrumView, NeuronsView, NeuronView]
