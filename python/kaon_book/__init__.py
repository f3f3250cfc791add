"""The results book: all runs behind the tables and figures of the thesis, in order, and the page made from them."""
