//! Making the collections fit for use, and checking that they are.

use std::collections::BTreeSet;

use bson::{Bson, Document, doc};

use super::Store;
use crate::error::{Error, Result};

/// Served by it: the claim (in its own order), the list and the count of what waits.
pub(crate) const CLAIM_INDEX: &str = "claim";

/// The version of documents and indexes that this library reads and writes.
const VERSION: i32 = 2;

/// The oldest wire version that will do: 17 is MongoDB 6.0, the oldest that is tested.
const WIRE_VERSION: i32 = 17;

/// MongoDB's code for creating a collection that is there.
const NAMESPACE_EXISTS: i32 = 48;

const SETTING_UP: &str = "set up the collections";
const CHECKING: &str = "check the collections";

impl Store {
    /// Makes collections, validator and indexes where they are missing. Harmless when repeated.
    pub(crate) async fn init(&self) -> Result<()> {
        self.check_server().await?;
        self.check_version().await?;
        let jobs = self.inner.jobs.name();
        let database = &self.inner.database;
        match database.run_command(validated("create", jobs)).await {
            Ok(_) => {}
            Err(e) if is_there(&e) => {
                let change = validated("collMod", jobs);
                database.run_command(change).await.map_err(|e| self.setup_failed(e))?;
            }
            Err(e) => return Err(self.setup_failed(e)),
        }
        for (collection, indexes) in self.wanted_indexes() {
            let create = doc! { "createIndexes": collection, "indexes": indexes };
            database.run_command(create).await.map_err(|e| self.setup_failed(e))?;
        }
        self.index_finished().await?;
        self.set_bookends().await.map_err(|e| self.setup_failed(e))?;
        // The first write would make it, and hold up all who begin at once.
        self.make(self.turns_made()).await.map_err(|e| self.setup_failed(e))?;
        self.hang_bell().await.map_err(|e| self.setup_failed(e))?;
        let version = doc! { "$set": { "version": VERSION } };
        let marked = self.inner.meta.update_one(schema(), version).upsert(true);
        marked.await.map_err(|e| self.setup_failed(e))?;
        Ok(())
    }

    /// Makes a collection where it is missing.
    pub(super) async fn make(&self, create: Document) -> Result<(), mongodb::error::Error> {
        match self.inner.database.run_command(create).await {
            Err(e) if !is_there(&e) => Err(e),
            _ => Ok(()),
        }
    }

    /// That the server can do what is needed, and the collections are there.
    pub(crate) async fn check(&self) -> Result<()> {
        self.check_server().await?;
        match self.check_version().await? {
            Some(VERSION) => {}
            Some(older) => {
                let why = format!("its version is {older}, this library needs {VERSION}");
                return Err(self.not_ready(&why));
            }
            None => return Err(self.not_ready("it has not been set up")),
        }
        for (collection, wanted) in self.wanted_indexes() {
            let list = doc! { "listIndexes": &collection, "cursor": { "batchSize": 100 } };
            let listed = self.inner.database.run_command(list).await;
            let listed = listed.map_err(|e| Error::from_driver(CHECKING, e))?;
            let have = index_names(&listed);
            let missing = wanted.iter().filter_map(|index| index.get_str("name").ok());
            let missing: Vec<&str> = missing.filter(|name| !have.contains(*name)).collect();
            if !missing.is_empty() {
                let why = format!("{collection} lacks the index {}", missing.join(", "));
                return Err(self.not_ready(&why));
            }
        }
        Ok(())
    }

    async fn check_server(&self) -> Result<()> {
        let hello = self.inner.database.run_command(doc! { "hello": 1 }).await;
        let hello = hello.map_err(|e| Error::from_driver("connect", e))?;
        let unsuitable = |why: String| Err(Error::UnsuitableServer { why });
        if hello.get_i32("maxWireVersion").unwrap_or(0) < WIRE_VERSION {
            return unsuitable("it is older than MongoDB 6.0, the oldest that will do".to_owned());
        }
        let sharded = hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid");
        if !sharded && !hello.contains_key("setName") {
            return unsuitable(format!(
                "a standalone mongod has no transactions. Make it a replica set of one: start it \
                 with `{}`, then once `{}`",
                "mongod --replSet rs0 …", "mongosh --eval 'rs.initiate()'",
            ));
        }
        Ok(())
    }

    /// The version that the collections are marked with, ours at the most; `None` when they aren't.
    async fn check_version(&self) -> Result<Option<i32>> {
        let marked = self.inner.meta.find_one(schema()).await;
        let marked = marked.map_err(|e| Error::from_driver(CHECKING, e))?;
        let version = marked.and_then(|it| it.get("version").and_then(Bson::as_i32));
        if let Some(newer) = version.filter(|version| *version > VERSION) {
            let why = format!("its version is {newer}, this library knows {VERSION}: update it");
            return Err(Error::NotReady { namespace: self.namespace(), why });
        }
        Ok(version)
    }

    /// Jobs may be over, and there is no index of them.
    pub(super) async fn note_unindexed(&self) -> Result<()> {
        let note = doc! { "$set": { UNINDEXED: true } };
        let noted = self.inner.meta.update_one(schema(), note).await;
        noted.map(|_| ()).map_err(|e| Error::from_write(CHECKING, e))
    }

    /// Whether that was noted.
    pub(super) async fn is_unindexed(&self) -> Result<bool> {
        let noted = self.inner.meta.find_one(schema()).await;
        let noted = noted.map_err(|e| Error::from_driver(CHECKING, e))?;
        Ok(noted.is_some_and(|it| it.get_bool(UNINDEXED).unwrap_or(false)))
    }

    fn not_ready(&self, why: &str) -> Error {
        let why = format!("{why}. Run `mongoqueue init` (or call MongoQueue::init) once");
        Error::NotReady { namespace: self.namespace(), why }
    }

    /// A refusal comes with the commands for whoever has the right.
    fn setup_failed(&self, error: mongodb::error::Error) -> Error {
        match Error::from_driver(SETTING_UP, error) {
            Error::NotAllowed { doing, why } => {
                let why = format!(
                    "{why}. Somebody with the role dbAdmin on {} can run in mongosh:\n{}",
                    self.inner.database.name(),
                    self.setup_script()
                );
                Error::NotAllowed { doing, why }
            }
            error => error,
        }
    }

    /// What `init` does, as commands for mongosh.
    fn setup_script(&self) -> String {
        let database = self.inner.database.name();
        let mut lines = vec![format!("use {database}")];
        let mut command = |command: Document| {
            lines.push(format!("db.runCommand({})", Bson::from(command).into_relaxed_extjson()));
        };
        command(validated("create", self.inner.jobs.name()));
        for (collection, indexes) in self.wanted_indexes() {
            command(doc! { "createIndexes": collection, "indexes": indexes });
        }
        self.bookends_set().into_iter().for_each(&mut command);
        command(self.turns_made());
        command(self.bell_made());
        command(doc! { "insert": self.bell_name(), "documents": [Self::first_ring()] });
        let mark = doc! {
            "q": { "_id": "schema" }, "u": { "$set": { "version": VERSION } }, "upsert": true,
        };
        command(doc! { "update": self.inner.meta.name(), "updates": [mark] });
        lines.join("\n")
    }

    /// The command that makes the collection of turns.
    fn turns_made(&self) -> Document {
        doc! { "create": self.inner.turns.name() }
    }

    /// Each beside the queries it serves. Partial: a put writes it, a claim takes the job out of it.
    /// And no more than every queue needs: each costs every write, see `extras`.
    fn wanted_indexes(&self) -> [(String, Vec<Document>); 2] {
        let jobs = vec![doc! {
            "name": CLAIM_INDEX, "key": { "queue": 1, "priority": -1, "due": 1, "_id": 1 },
            "partialFilterExpression": { "state": "ready" },
        }];
        // The leases that have run out, oldest first.
        let leases = vec![doc! { "name": "until", "key": { "queue": 1, "until": 1 } }];
        let name = self.inner.jobs.name();
        [(name.to_owned(), jobs), (format!("{name}.leases"), leases)]
    }
}

/// The document, in the collection `.meta`, about the collections.
fn schema() -> Document {
    doc! { "_id": "schema" }
}

/// Its field that [`Store::note_unindexed`] sets.
const UNINDEXED: &str = "unindexed";

/// `create` or `collMod` with the validator. A document that got in without it can still be
/// changed, for one: set aside ("moderate").
fn validated(command: &str, collection: &str) -> Document {
    doc! { command: collection, "validator": validator(), "validationLevel": "moderate" }
}

/// The most that payload, headers, saved state and output have together, so that a document of
/// 16 MiB has room for the error records, a quarter of a mebibyte, and all the rest.
const CONTENTS: i32 = 15 * 1024 * 1024 + 512 * 1024;

/// What any client has to respect that puts a job by inserting a document.
fn validator() -> Document {
    let whole = || doc! { "bsonType": ["int", "long"] };
    let states: Vec<&str> = crate::job::State::ALL.iter().map(|state| state.name()).collect();
    let contents = doc! {
        "payload": "$payload", "headers": "$headers", "saved": "$saved", "output": "$output",
    };
    let fits = doc! { "$lte": [{ "$bsonSize": contents }, CONTENTS] };
    let schema = doc! {
        "bsonType": "object",
        "required": ["queue", "state", "priority", "due", "payload"],
        "properties": {
            // 24 hexadecimal digits as a string would look like an ObjectId.
            "_id": { "anyOf": [
                { "bsonType": "objectId" },
                {
                    "bsonType": "string", "minLength": 1, "maxLength": 200,
                    "not": { "pattern": "^[0-9a-fA-F]{24}$" },
                },
            ] },
            "queue": { "bsonType": "string", "minLength": 1, "maxLength": 100 },
            "state": { "enum": states },
            "priority": { "bsonType": "int" },
            "due": { "bsonType": "date" },
            "content_type": { "bsonType": "string", "maxLength": 255 },
            "headers": { "bsonType": "object", "additionalProperties": { "bsonType": "string" } },
            "attempts": whole(), "max_attempts": whole(), "timeout_ms": whole(),
            "retain_ms": whole(), "claims": whole(),
            "backoff": {
                "bsonType": "object",
                "properties": { "first_ms": whole(), "max_ms": whole() },
            },
            "errors": { "bsonType": "array", "items": { "properties": evidence() } },
            "claim": { "bsonType": "object" },
            "progress": { "bsonType": "object" },
            "unique_key": { "bsonType": "string", "minLength": 1, "maxLength": 200 },
            "created_at": { "bsonType": "date" },
            "finished_at": { "bsonType": "date" },
            "expire_at": { "bsonType": "date" },
            "cancel_at": { "bsonType": "date" },
        },
    };
    // A claim changes nothing of what was looked at when the job was put: the server need not look at
    // all of it again, nor copy a large payload to weigh it.
    let claimed = doc! { "claim.token": { "$exists": true }, "saved": { "$exists": false } };
    doc! { "$or": [claimed, { "$expr": fits, "$jsonSchema": schema }] }
}

/// What a record of an attempt says beside its words, where it says it: older ones don't.
fn evidence() -> Document {
    let mut properties = Document::new();
    for text in ["digest", "version", "log", "worker"] {
        properties.insert(text, doc! { "bsonType": "string" });
    }
    for whole in ["cpu_ms", "memory_bytes", "wall_ms"] {
        properties.insert(whole, doc! { "bsonType": ["int", "long"] });
    }
    properties
}

fn index_names(listed: &Document) -> BTreeSet<String> {
    let batch = listed.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let names = batch
        .into_iter()
        .flatten()
        .filter_map(|index| index.as_document()?.get_str("name").ok().map(str::to_owned));
    names.collect()
}

/// True when a collection was to be made that is there.
fn is_there(error: &mongodb::error::Error) -> bool {
    match error.kind.as_ref() {
        mongodb::error::ErrorKind::Command(e) => e.code == NAMESPACE_EXISTS,
        _ => false,
    }
}
