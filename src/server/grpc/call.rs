//! What can be called, and what it takes to call it.

use crate::server::auth::Permission;

/// A method, or the service that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Push,
    Query,
    QueryRange,
    /// `grpc.health.v1.Health`.
    Health,
    /// `grpc.reflection`, both versions.
    Reflection,
    /// Nothing that there is.
    Unknown,
}

impl Call {
    /// The name in own metrics; for our own methods the path.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Call::Push => "/treering.v1.Metrics/Push",
            Call::Query => "/treering.v1.Metrics/Query",
            Call::QueryRange => "/treering.v1.Metrics/QueryRange",
            Call::Health => "/grpc.health.v1.Health",
            Call::Reflection => "/grpc.reflection",
            Call::Unknown => "grpc_elsewhere",
        }
    }

    pub(super) fn permission(self) -> Permission {
        match self {
            Call::Push => Permission::Write,
            Call::Query | Call::QueryRange => Permission::Read,
            Call::Health | Call::Reflection | Call::Unknown => Permission::Any,
        }
    }

    /// Whether it needs a token even if what tells how the server is needs none. As below `/api/`, strangers do not
    /// learn what is there.
    pub(super) fn is_guarded(self) -> bool {
        !matches!(self, Call::Health | Call::Reflection)
    }

    /// Whether the answer needs what recovery brings back.
    pub(super) fn needs_data(self) -> bool {
        matches!(self, Call::Push | Call::Query | Call::QueryRange)
    }

    /// Whether its streams go on for as long as the client likes, and have to be ended when the server ends.
    pub(super) fn is_endless(self) -> bool {
        matches!(self, Call::Health | Call::Reflection)
    }

    /// Whether its answer is one message, which lies ready as soon as there is one.
    pub(super) fn is_unary(self) -> bool {
        self == Call::Query
    }
}
