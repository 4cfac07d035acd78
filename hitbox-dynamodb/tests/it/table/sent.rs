//! What a client sends.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef,
    },
    error::BoxError,
};

/// How many requests there were, by operation ("GetItem").
pub(crate) type Requests = BTreeMap<String, usize>;

/// Counts requests, those that are sent again included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent(Arc<Mutex<Requests>>);

impl Sent {
    /// `client`, but counted.
    pub(crate) fn watch(&self, client: &Client) -> Client {
        let config = client.config().to_builder();
        Client::from_conf(config.interceptor(self.clone()).build())
    }

    /// The requests since the last time.
    pub(crate) fn take(&self) -> Requests {
        mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Intercept for Sent {
    fn name(&self) -> &'static str {
        "sent"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap();
        let operation = target.rsplit('.').next().unwrap().to_owned();
        *self.0.lock().unwrap().entry(operation).or_default() += 1;
        Ok(())
    }
}

pub(crate) fn requests(operation: &str, count: usize) -> Requests {
    Requests::from([(operation.to_owned(), count)])
}
