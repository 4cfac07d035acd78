//! How a builder was told to get to the table: exactly one way.

use aws_sdk_dynamodb::{Client, config::Credentials};
use aws_types::SdkConfig;

use crate::{
    connection::client::Connection,
    error::failure::Failure,
    settings::{self, Checked},
};

#[derive(Clone, Default)]
pub(crate) struct Source {
    pub(crate) client: Option<Client>,
    pub(crate) sdk_config: Option<SdkConfig>,
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) credentials: Option<Credentials>,
}

impl Source {
    pub(crate) fn connection(self) -> Result<Connection, Failure> {
        self.checked().map_err(Failure::invalid_configuration)
    }

    fn checked(self) -> Result<Connection, String> {
        let parts = self.endpoint.is_some() || self.region.is_some() || self.credentials.is_some();
        let refuse = |detail: &str| Err(detail.to_owned());
        match (self.client, self.sdk_config) {
            (Some(_), Some(_)) => refuse("`client` and `sdk_config` are both set: choose one"),
            (Some(_), None) if parts => refuse(
                "`client` is set, so `endpoint`, `region` and `credentials` go into that client",
            ),
            (None, Some(_)) if parts => refuse(
                "`sdk_config` is set, so `endpoint`, `region` and `credentials` go into that",
            ),
            (Some(client), None) => Ok(Connection::Client(client)),
            (None, Some(config)) => {
                check_sdk_config(&config)?;
                Ok(Connection::SdkConfig(Box::new(config)))
            }
            (None, None) => from_parts(self.endpoint, self.region, self.credentials),
        }
    }
}

fn check_sdk_config(config: &SdkConfig) -> Checked {
    if config.credentials_provider().is_none() {
        return Err("`sdk_config` has no credentials provider: set one".into());
    }
    let Some(region) = config.region() else {
        return Err("`sdk_config` has no region: set one".into());
    };
    settings::region("sdk_config", region.as_ref())?;
    match config.endpoint_url() {
        Some(url) => settings::endpoint("sdk_config", url),
        None => Ok(()),
    }
}

fn from_parts(
    endpoint: Option<String>,
    region: Option<String>,
    credentials: Option<Credentials>,
) -> Result<Connection, String> {
    let (Some(region), Some(credentials)) = (region, credentials) else {
        return Err("`region` and `credentials` are needed, or `sdk_config`, or `client`".into());
    };
    settings::region("region", &region)?;
    settings::credentials(credentials.access_key_id(), credentials.secret_access_key())?;
    if let Some(url) = &endpoint {
        settings::endpoint("endpoint", url)?;
    }
    Ok(Connection::Parts {
        endpoint,
        region,
        credentials,
    })
}
