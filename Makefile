# Two commands: `make demo` runs the main job, `make test` runs the checks. Both set everything up first, in .venv.
.PHONY: demo test test-learn docs serve install install-dev lint clean

install:
	@sh scripts/setup

install-dev:
	@sh scripts/setup dev

demo: install
	@.venv/bin/python examples/demo.py

serve: demo
	@.venv/bin/snapfind serve demo/shop.snap

test: install-dev
	@sh scripts/lint
	@sh scripts/test

# the tests of learning too: installs PyTorch
test-learn:
	@sh scripts/setup train
	@sh scripts/test tests/training tests/ranking tests/convert tests/token_merging tests/curation/test_sets.py tests/flywheel/test_run.py

# the documentation site, in site/
docs: install-dev
	@.venv/bin/python -m pip install --quiet --group docs
	@sh scripts/site

lint: install-dev
	@sh scripts/lint --fix

clean:
	rm -rf .venv demo dist site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
