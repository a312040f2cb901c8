//! The integration tests: a real server, a database for each test.
//!
//! The seed's own cases and those of its relatives first, then a topic a module, from the put to
//! the worker; last what must hold of the source itself.

mod seed;

mod relatives;

mod put;

mod payloads;

mod put_many;

mod bare;

mod claims;

mod races;

mod fence;

mod pipelines;

mod random;

mod verbs;

mod finished;

mod connect;

mod bookend;

mod servers;

mod words;

mod running;

mod locks;

mod shards;

mod worker;

mod sandbox;

mod hostile;

mod languages;

mod cli;

mod embedding;

mod clients;

mod docs;

mod house;
