//! Selectors: paths from the root of the tree, whose elements may be groups or wildcards.

/// One element of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// One child by its joined name.
    Name(String),
    /// Some children, in this order.
    Group(Vec<String>),
    /// Every child.
    Any,
}

impl From<&str> for Element {
    fn from(name: &str) -> Self {
        Element::Name(name.to_owned())
    }
}

/// Which series of a host a query means: the elements below the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// The cluster's name.
    pub cluster: String,
    /// The host's name.
    pub host: String,
    /// What lies below; empty for the host itself.
    pub below: Vec<Element>,
}
