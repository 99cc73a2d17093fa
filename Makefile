# Drover's commands. Each one first brings what it needs: Debian packages (it says which), and .venv from the locked
# requirements. Nothing outside this folder is changed but those packages; `make demo` starts its lab in namespaces.

SHELL := /bin/bash
.DEFAULT_GOAL := help
ARGS ?=
PYTHON := .venv/bin/python
# Own hosts, or none, need no lab.
LAB = $(if $(or $(findstring --hosts,$(ARGS)),$(findstring --empty,$(ARGS))),,lab)

.PHONY: help setup demo up down test check format bench schema lock

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

demo: ## Try Drover on a lab of real libvirt hosts; ARGS="--check", "--hosts tls://ADDRESS,ssh://USER@ADDRESS" or "--empty"
	@setup/prepare runtime $(LAB)
	@exec $(PYTHON) manage.py demo $(ARGS)

up: ## Run this installation, as it is, in the foreground
	@setup/prepare runtime
	@exec $(PYTHON) manage.py up $(ARGS)

down: ## End a running demo, from any shell, with its lab
	@if [ -x $(PYTHON) ]; then exec $(PYTHON) manage.py down; else echo "Nothing runs here."; fi

test: ## Run every test: rules, flows, PostgreSQL, real hosts, faults, a browser; ARGS="fast postgres lab faults browser" picks
	@setup/prepare dev lab test
	@exec $(PYTHON) setup/test.py $(ARGS)

check: ## Style, types, import contracts, settings, migrations, the API's description, compose file
	@setup/prepare dev
	@exec $(PYTHON) setup/check.py

format: ## Lay the code out as the house does
	@setup/prepare dev
	@$(PYTHON) -m ruff check --fix --quiet . ; $(PYTHON) -m ruff format --quiet .

bench: ## Measure Drover against the bare tools, in one run
	@setup/prepare dev lab test
	@exec $(PYTHON) -m bench $(ARGS)

schema: ## Write docs/openapi.yaml anew
	@setup/prepare dev
	@exec $(PYTHON) manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

lock: ## Pin every package anew, from requirements.in and requirements-dev.in
	@setup/prepare dev
	@setup/lock

setup: ## Bring everything any command needs, and stop there
	@setup/prepare dev lab test
