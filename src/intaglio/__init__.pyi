from intaglio.app.evaluating import measure as measure
from intaglio.app.exporting import export_model as export_model
from intaglio.app.opening import open_model as open_model
from intaglio.app.quantizing import Recipe as Recipe
from intaglio.app.quantizing import quantize as quantize
from intaglio.app.quantizing import save as save
from intaglio.arch import load as load
from intaglio.evaluate import load_dataset as load_dataset
from intaglio.images import Picture as Picture
from intaglio.images import enlarge as enlarge
from intaglio.images import read_image as read_image
from intaglio.images import read_picture as read_picture
from intaglio.images import write_image as write_image
from intaglio.images import write_picture as write_picture
from intaglio.observe import CalibrationSet as CalibrationSet
from intaglio.runtime.engine import Engine as Engine
from intaglio.runtime.engine import load_engine as load_engine
from intaglio.spec import QuantSpec as QuantSpec

__version__: str
