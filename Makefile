# Each target makes what it needs first (scripts/setup); a second call finds it made.

BIN := .venv/bin

.PHONY: run demo test test-long faults lint bench fuzz lock openapi languages sbom

run: ## the service with a small demo world, until Ctrl-C; PORT=8000 is the first of eight
	@scripts/setup demo
	@$(BIN)/countersign demo --stay $(if $(PORT),--port=$(PORT))

demo: ## the main job without hands, a line a step
	@scripts/setup demo
	@$(BIN)/countersign demo

lint: ## style, types, floors
	@scripts/setup test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: lint ## everything, on up to four cores
	$(BIN)/pytest -n auto --maxprocesses=4 --dist worksteal --cov --cov-report=term

test-long: lint ## the same, with every test of chance in full: hundreds of kills, races, steps
	TESTS=long $(BIN)/pytest -n auto --maxprocesses=4 --dist worksteal

faults: ## faults alone, hundreds of them, and a table of what each came to; hours; ONLY=words of names for some
	@scripts/setup test
	TESTS=faults $(BIN)/pytest tests/faults $(if $(ONLY),-k "$(ONLY)") --timeout=7200

bench: ## measured against limits of the same machine; ONLY=name for one
	@scripts/setup test
	@$(BIN)/python -m bench $(ONLY)

fuzz: ## every parser of foreign input, by coverage, ten minutes in all; SECONDS=n, KEEP=1 adds to the corpus
	@scripts/setup test
	@$(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python -r requirements/fuzz.txt || true
	@$(BIN)/python -m tests.fuzz

openapi: ## describe the API anew, from its routes
	@scripts/setup test
	@PYTHONPATH=. $(BIN)/python scripts/describe.py

languages: ## gather the texts of all pages anew, and bring the catalogues of all languages up to them
	@scripts/setup test
	@PYTHONPATH=. $(BIN)/python scripts/languages.py

sbom: ## what the service is made of (CycloneDX), from its lock file: sbom.cdx.json
	@python3 scripts/sbom.py > sbom.cdx.json

lock: ## pin what requirements/*.in and package.json name; UPGRADE=1 for newer versions
	@scripts/setup test
	@for set in uv runtime parquet pdf demo test fuzz; do \
		$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
			$$(test $$set != test || echo --override requirements/test-overrides.in) $(if $(UPGRADE),--upgrade) \
			requirements/$$set.in --output-file requirements/$$set.txt || exit 1; \
	done
	npm --prefix demo/identity-provider $(if $(UPGRADE),update,install) --package-lock-only --ignore-scripts
