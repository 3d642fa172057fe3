"""Trigger: runs rules over each customer's events and time, and asks for messages.

The modules in the order in which an event meets them:

- `live` goes by the clock: it has `worker` claim partitions, read a slice, have it computed and commit it (`store`), and `ahead`
  compute the next one meanwhile. `partition` is what a worker has in memory: `cursor`, `row`s, `timers`, the rules in force
  (`rulebook`), and whether there is a `backlog` of things to do after a commit.
- `slice` applies records in order, due timers first. `applying` is about events (`happening`: one of them), `joining` about customers
  who turn out to be one; `erasing` and `commanding` do what their names say. `projections` fold an event (`unfolding`, `unread`:
  where one fails); `recipient`, `countries` and `telling` are what dispatch hears of that.
- `runs` starts (`starting`), wakes and ends the runs of rules. `replay` drives a rule's coroutine on its `stage`, under a `watch`;
  `keeping`, `feeds` and `standstill` are about runs that cannot go on with what they hear. `rules` are those that ship.
- `effects` gathers what a slice wants done, none of it real before the commit; `history` is what people read of it, and what runs
  are shown of it later. `steps` run after the commit.
- `contacts`, `tally` and `volume` count what came of a rule; `guarding` pauses it when that is bad. `checking` tells beforehand
  whether live runs fit other rules.
"""
