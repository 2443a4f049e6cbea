//! A stream of JetStream, from its publisher's and its administrator's side.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Info, PullConsumer, pull, push};
use async_nats::jetstream::{self, Context, stream};
use tokio::runtime::{Builder, Runtime};

use super::{NatsServer, eventually};

/// What a server's config needs for JetStream; streams lie in the server's folder and outlive it.
pub const JETSTREAM: &str = "jetstream { store_dir: \"jetstream\" }\n";

/// A connection that knows one stream, with a runtime of its own.
pub struct Stream {
    runtime: Runtime,
    context: Context,
    name: String,
}

impl Stream {
    /// Connects without making anything.
    pub fn connect(server: &NatsServer, name: &str) -> Stream {
        super::http::install_crypto();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let context = runtime.block_on(async {
            let client = async_nats::ConnectOptions::new().connect(server.address()).await.unwrap();
            let mut context = jetstream::new(client);
            context.set_timeout(Duration::from_secs(2));
            context
        });
        Stream { runtime, context, name: name.to_owned() }
    }

    /// Makes the stream, which captures a subject from then on.
    pub fn create(server: &NatsServer, name: &str, subject: &str) -> Stream {
        let stream = Stream::connect(server, name);
        stream.make(subject);
        stream
    }

    pub fn make(&self, subject: &str) {
        let config =
            stream::Config { name: self.name.clone(), subjects: vec![subject.to_owned()], ..Default::default() };
        // The server listens before JetStream is there.
        eventually("the stream is made", || self.runtime.block_on(self.context.create_stream(config.clone())).ok());
    }

    /// Publishes until the stream has it, however often the server goes meanwhile.
    pub fn publish(&self, subject: &str, lines: &str) {
        eventually("the stream has the message", || {
            self.runtime.block_on(async {
                let sent = self.context.publish(subject.to_owned(), lines.to_owned().into()).await.ok()?;
                sent.await.ok()
            })
        });
    }

    /// Makes a pull consumer with an acknowledgement policy of the test's choice.
    pub fn make_pull_consumer(&self, durable: &str, ack_policy: AckPolicy, ack_wait: Duration) {
        let config =
            pull::Config { durable_name: Some(durable.to_owned()), ack_policy, ack_wait, ..Default::default() };
        self.runtime.block_on(self.context.create_consumer_on_stream(config, &self.name)).unwrap();
    }

    /// Makes a push consumer, which pulls can't use.
    pub fn make_push_consumer(&self, durable: &str) {
        let config = push::Config {
            durable_name: Some(durable.to_owned()),
            deliver_subject: "elsewhere".to_owned(),
            ..Default::default()
        };
        self.runtime.block_on(self.context.create_consumer_on_stream(config, &self.name)).unwrap();
    }

    pub fn delete_consumer(&self, durable: &str) {
        self.runtime.block_on(self.context.delete_consumer_from_stream(durable, &self.name)).unwrap();
    }

    /// What the server says of a consumer; `None` when it is not there.
    pub fn consumer(&self, durable: &str) -> Option<Info> {
        self.runtime.block_on(async {
            let consumer: PullConsumer = self.context.get_consumer_from_stream(durable, &self.name).await.ok()?;
            Some(consumer.cached_info().clone())
        })
    }

    /// Waits until a consumer has delivered all, and all is acknowledged.
    #[track_caller]
    pub fn await_acknowledged(&self, durable: &str) -> Info {
        let mut last = None;
        eventually("all is acknowledged", || {
            last = self.consumer(durable);
            last.clone().filter(|info| info.num_pending == 0 && info.num_ack_pending == 0)
        })
    }
}
