# Thin over run.py, which explains itself: make help
.PHONY: help demo cheat test check explore bench orders million crash sim powercut fuzz mutants install lock
.DEFAULT_GOAL := help

help demo cheat test check install lock:
	@python3 run.py $@ $(ARGS)

# make bench, make bench-NAME
bench:
	@python3 run.py bench $(ARGS)
bench-%:
	@python3 run.py bench $* $(ARGS)

# make explore ROUNDS=10
explore:
	@python3 run.py explore ROUNDS=$(or $(ROUNDS),1) $(ARGS)

# make orders COUNT=2000
orders:
	@python3 run.py orders COUNT=$(or $(COUNT),2000)

# make million COUNT=1000000 ARGS="--data DIR --seconds 300"
million:
	@python3 run.py million COUNT=$(or $(COUNT),1000000) $(ARGS)

# make crash CYCLES=100
crash:
	@python3 run.py crash CYCLES=$(or $(CYCLES),100) $(ARGS)

# make sim SEEDS=10000 ARGS="--data DIR", make sim FRESH=1, make sim BUGS=1 ARGS="--data DIR"
sim:
	@python3 run.py sim SEEDS=$(or $(SEEDS),100) $(if $(FRESH),FRESH=1) $(if $(BUGS),BUGS=1) $(ARGS)

# make powercut IMAGES=20000
powercut:
	@python3 run.py powercut IMAGES=$(or $(IMAGES),20000) $(ARGS)

# make fuzz EXECUTIONS=500000
fuzz:
	@python3 run.py fuzz EXECUTIONS=$(or $(EXECUTIONS),500000) $(ARGS)

# make mutants ARGS="--seconds 280 --only chains.py"
mutants:
	@python3 run.py mutants $(ARGS)
