"""Public data sets as event logs: from the folder `$NEARSIGHT_DATA`, an installed package, or their public source."""

from nearsight_training.datasets.applications import bpic2012
from nearsight_training.datasets.catalogue import DATASETS, DataSet, dataset
from nearsight_training.datasets.clicks import eshop2008
from nearsight_training.datasets.files import File
from nearsight_training.datasets.invoices import online_retail
from nearsight_training.datasets.noted import NotedTable
from nearsight_training.datasets.purchases import cdnow

__all__ = ["DATASETS", "DataSet", "File", "NotedTable", "bpic2012", "cdnow", "dataset", "eshop2008", "online_retail"]
