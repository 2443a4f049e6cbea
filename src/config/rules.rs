//! The form of the section `rules`: which rules are evaluated, and who is told of alerts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::NatsTlsSection;
use super::remote_write::RelabelEntry;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RulesSection {
    /// Files with rules in Prometheus's form; their names may have *, ? and [a-z] in them.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub files: Vec<String>,
    /// Time between two evaluations of groups that name none, as a Go duration.
    #[schemars(extend("default" = "1m"))]
    pub evaluation_interval: Option<String>,
    /// How far back groups look that do not say it, as a Go duration.
    #[schemars(extend("default" = "0s"))]
    pub query_offset: Option<String>,
    /// Groups that are evaluated at a time.
    #[schemars(range(min = 1, max = 1000), extend("default" = 4))]
    pub concurrency: Option<usize>,
    /// Labels that alerts get unless they have them.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub external_labels: BTreeMap<String, String>,
    /// Where this store is, for links in alerts; otherwise its own address.
    #[schemars(extend("default" = ""))]
    pub external_url: Option<String>,
    /// Alerts that were active before a restart go on if it took no longer, as a Go duration.
    #[schemars(extend("default" = "1h"))]
    pub for_outage_tolerance: Option<String>,
    /// The least time between a restart and an alert that goes on and fires, as a Go duration.
    #[schemars(extend("default" = "10m"))]
    pub for_grace_period: Option<String>,
    /// Time after which an alert is sent again, as a Go duration.
    #[schemars(extend("default" = "1m"))]
    pub resend_delay: Option<String>,
    /// Where alerts are sent.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub alertmanagers: Vec<AlertmanagerEntry>,
    /// Alerts that wait for one Alertmanager.
    #[schemars(range(min = 1, max = 10_000_000), extend("default" = 10_000))]
    pub alert_queue: Option<usize>,
    /// Rules that change, choose and drop alerts before they are sent, as in Prometheus.
    #[serde(default)]
    #[schemars(extend("default" = []))]
    pub alert_relabel_configs: Vec<RelabelEntry>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct AlertmanagerEntry {
    /// Its URL, http or https, maybe with a path.
    pub url: String,
    /// How long one request may take, as a Go duration.
    #[schemars(extend("default" = "10s"))]
    pub timeout: Option<String>,
    /// User name.
    #[schemars(extend("default" = ""))]
    pub username: Option<String>,
    /// Password.
    #[schemars(extend("default" = ""))]
    pub password: Option<String>,
    /// File with the password.
    #[schemars(extend("default" = ""))]
    pub password_file: Option<String>,
    /// File with a token.
    #[schemars(extend("default" = ""))]
    pub bearer_token_file: Option<String>,
    /// TLS towards it.
    #[serde(default)]
    pub tls: NatsTlsSection,
}
