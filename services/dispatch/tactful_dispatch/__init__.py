"""Dispatch: decides whether and when a message may leave, and sends it.

The path of a message:

    live, worker            own partitions of the topic `dispatch`, read them, let time pass, relay what is told
    applying                what a record does to rows
      slice                   all records in order, due timers first
      deciding                moves a delivery on: held, refused, sent, expired
      contacting              what counts for caps and gaps
      receiving               what came back later
      announcing              the events that tell trigger
    sending                 from a message that may leave to what came of it
      attempt                 asks the gates, commits `sending`, hands the message to a provider
      gathering, writing      the facts; what the message says
      providers, outcomes     who rests; what came of the attempt
    facts, gates            what the gates may look at; the verdicts, in their order
    content                 templates, rendered
    channels                who carries it; one file an adapter

Words and wishes of customers:

    public, inbound         the doors: pages behind signed links; mail, texts, other tools
    desk                    what one may do at dispatch, and who does it; what a customer is shown
    applying                what comes of it
      consenting, asking      consent
      suppressing             addresses on lists of other senders
      preferring              preferences
      inheriting, binding     one person under several names
      flagging, forgetting    nobody may write; erasure

What is kept:

    state, store            one row a customer, one an address, one cursor a partition; every change is one transaction
    restoring               after a store was restored from a back-up
"""
