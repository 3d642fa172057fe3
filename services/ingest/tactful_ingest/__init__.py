"""Ingest: HTTP in, records out.

The path of a request:

    app                            routes
    tracking, events_api           which calls a request holds: the Segment API, CloudEvents or an array
    entrance                       room, body, key, log, answer
      overload, body, authentication
    envelope, cloudevents          each call as a `Posting`: in our words, not yet believed
    admission                      the record to append, or why there is none
      ids, times, traits, consent
    intake                         all that a request comes to: records, quarantine, a word on each event
    placement                      which partition, in which order
"""
