# make demo    see it work: a real redis in a container, made and changed by a playbook
# make test    everything that is tested, from nothing, with the counts at the end
# make bench   our times beside podman's
# make test-SUITE, for a suite that `hacking/run-tests --list` names: that one alone
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test bench clean

help:
	@grep -E '^# make' Makefile | sed 's/^# //'

demo:
	@demo/run

test:
	@hacking/run-tests

test-%:
	@hacking/run-tests $*

bench:
	@tests/bench/run

clean:
	rm -rf .venv .ansible .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/output agentless-oci-*.tar.gz
