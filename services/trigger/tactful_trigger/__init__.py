"""Trigger: runs rules over each customer's events and time, and asks for messages.

The path of an event:

    live, worker            own partitions of the topic `events`: read a slice, have it computed, commit it, relay what is told
      ahead, partition        the next slice meanwhile; what a worker has in memory
      steps                   run after the commit
    applying                what a slice does to customers
      slice                   all records in order, due timers first
      event                   one event: folded, told to dispatch, runs end, wake and begin
      unfolding               where a projection fails
      recipient, telling      what dispatch hears of a customer
      joining, erasing        customers who turn out to be one, or who go
      commanding              what operators want of runs
      contacts                what came of the messages of rules
    projections             what is known of a customer, folded from events
    runs                    runs of rules
      starting, life          whether one may begin; how it waits, wakes and ends
      replay, stage           a rule's coroutine, driven by hand, and what it sees
      keeping, feeds          what a run is shown later, or waits for
      standstill, checking    runs that stand still; whether they fit other rules
    rules                   those that ship; `rulebook` has those in force
    effects                 what a slice wants done, none of it real before the commit

What is kept:

    state, store            one row a customer, one cursor a partition, timers, history; one transaction a slice

What watches over rules:

    watch, guarding         one that does not come back is interrupted, one that people object to is paused
"""
