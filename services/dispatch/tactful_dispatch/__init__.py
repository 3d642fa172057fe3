"""Dispatch: decides whether and when a message may leave, and sends it.

The path of a message:

    live, worker            own partitions of the topic `dispatch`, read them, let time pass, relay what is told
    slice                   applies records and timers to customers' rows
    attempt                 asks the gates, commits `sending`, hands the message to a provider
      gathering, facts        what the gates may look at
      gates                   the verdicts, in their order
      writing, content        what the message says
      channels, providers     who carries it; one file an adapter
    outcomes, receiving     what came of the attempt, and what came back later
    deciding                moves a delivery on: held, refused, sent, expired
    contacting              what counts for caps and gaps
    announcing              the events that tell trigger

Words and wishes of customers:

    public, inbound, correspondence    the doors: pages behind signed links, mail, texts, other tools
    desk, reception, cards             what one may do at dispatch, and who does it; what a customer is shown
    consenting, ledger, asking         consent
    suppressing                        addresses on lists of other senders
    preferring, topics, questions      preferences, what messages are about, answers to what they ask
    inheriting, binding, flagging      one person under several names
    forgetting                         erasure

What is kept:

    rows, store             one row a customer, one an address, one cursor a partition; every change is one transaction
    restoring, recalling    after a store was restored from a back-up
"""
