"""A recipe is a preset or a file; what isn't one is refused by line, with the nearest word."""

import pytest

from nearsight.errors import InputError
from nearsight_export.recipe import RECIPES, MagnitudePruning, Recipe, read_recipe


def test_a_preset_has_a_name():
    assert read_recipe("exact") == Recipe(variant="fp32")
    assert all(read_recipe(name) is recipe for name, recipe in RECIPES.items())


def test_a_file_says_its_passes_in_order(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'variant = "fp16"\n\n[[passes]]\nkind = "magnitude_pruning"\nsparsity = 0.25\n\n'
        '[[passes]]\nkind = "magnitude_pruning"\n'
    )
    recipe = Recipe(passes=(MagnitudePruning(sparsity=0.25), MagnitudePruning()), variant="fp16")
    assert read_recipe(str(path)) == recipe


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('variannt = "int8"', "line 1 .*did you mean 'variant'"),
        ('[[passes]]\nkind = "magnitude_pruning"\nsparsty = 0.5', "line 3 .*did you mean 'sparsity'"),
        ('[[passes]]\nkind = "magnitude_prunin"', "line 2 .*did you mean 'magnitude_pruning'"),
        ('[[passes]]\nkind = "magnitude_pruning"\nsparsity = 1.0', "line 1 .*between 0 and 1, received 1.0"),
        ('[[passes]]\nkind = "distillation"\nteacher = "trese"', "isn't a recipe .*'trese'"),
        ('[[passes]]\nkind = "distillation"\nunits = 0', "units must be at least 1, received 0"),
        (
            '[[passes]]\nkind = "magnitude_pruning"\n\n[[passes]]\nkind = "distillation"',
            "distillation must be the first pass",
        ),
        ('[[passes]]\nkind = "structured_pruning"', "line 1 .*must say one of .* received none of these"),
        ('[[passes]]\nkind = "structured_pruning"\nkeep = 1.0', "must keep a share between 0 and 1, received 1.0"),
        ('[[passes]]\nkind = "structured_pruning"\nkeep = 0.5\nunits = 3', "must say one of .* received 2 of these"),
        ('[[passes]]\nkind = "structured_pruning"\nkeep = 0.5\nkilobytes = 38', "received 2 of these"),
        ('[[passes]]\nkind = "structured_pruning"\nfilters = 3\nkilobytes = 38', "received 2 of these"),
        ('[[passes]]\nkind = "structured_pruning"\nkilobytes = 0', "line 1 .*more than 0 kB, received 0"),
        ('[[passes]]\nkind = "structured_pruning"\nkilobites = 38', "line 3 .*did you mean 'kilobytes'"),
        ('[[passes]]\nkind = "structured_pruning"\nunits = 0', "line 1 .*must leave 1 .* received 0"),
        ('[[passes]]\nkind = "low_rank"\nrank = 0', "line 1 .*low_rank must leave a rank of 1 at least, received 0"),
        (
            '[[passes]]\nkind = "weight_clustering"\n[[passes]]\nkind = "low_rank"',
            "low_rank must come before magnitude_pruning and weight_clustering",
        ),
        ('[[passes]]\nkind = "weight_clustering"\nclusters = 2', "line 1 .*weight_clustering must .* received 2"),
        (
            '[[passes]]\nkind = "quantisation_aware"\n[[passes]]\nkind = "magnitude_pruning"',
            "quantisation_aware must be the last pass",
        ),
        ('[[passes]]\nkind = "quantisation_aware"\nbits = 3', "line 3 .*bits"),
        ('variant = "int3"', "line 1 .*received 'int3'"),
        ("passes = [", "isn't a recipe"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_recipe(str(path))


def test_a_strange_name_is_refused():
    with pytest.raises(InputError, match=r"one of quick, exact, .*received 'smalest'"):
        read_recipe("smalest")
