"""`python -m insitu.aot.contract.group_child`: what a groups.Host is asked, from stdin to stdout as pickles."""

import pickle
import sys

from insitu.aot import garbage
from insitu.aot.contract.errors import ContractError
from insitu.aot.contract.groups import Host

if __name__ == "__main__":
    host = Host()
    with garbage.kept(), sys.stdin.buffer as asked, sys.stdout.buffer as answers:
        host.start(*pickle.load(asked))
        while True:
            host.ask(pickle.load(asked))
            try:
                answer = host.answer()
            except ContractError as error:
                answer = error
            answers.write(pickle.dumps(answer))
            answers.flush()
