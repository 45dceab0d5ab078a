//! The names of UDM fields in JSON, each with its colon and the start of its value.

use super::Case;

impl Case {
    /// A name, or a path of names, in lowerCamelCase as this case spells it.
    pub(crate) fn spelled(self, name: &str) -> String {
        let mut spelled = String::with_capacity(name.len() + 8);
        for character in name.chars() {
            if self == Self::Snake && character.is_ascii_uppercase() {
                spelled.push('_');
                spelled.push(character.to_ascii_lowercase());
            } else {
                spelled.push(character);
            }
        }
        spelled
    }
}

/// Declares every name twice: as a constant of [`FieldNames`] in lowerCamelCase for [`Camel`] and in `snake_case` for [`Snake`].
macro_rules! names {
    ($($constant:ident $camel:literal $snake:literal $opener:literal)*) => {
        /// The field names in one spelling.
        pub(super) trait FieldNames {
            $(const $constant: &str;)*
        }

        /// lowerCamelCase, as Google's tools write it.
        pub(super) struct Camel;

        impl FieldNames for Camel {
            $(const $constant: &str = concat!("\"", $camel, "\":", $opener);)*
        }

        /// `snake_case`, as in the proto definition.
        pub(super) struct Snake;

        impl FieldNames for Snake {
            $(const $constant: &str = concat!("\"", $snake, "\":", $opener);)*
        }
    };
}

names! {
    ADDITIONAL "additional" "additional" "{"
    LOG_TYPE "logType" "log_type" "\""
    PRODUCT_NAME "productName" "product_name" "\""
    VENDOR_NAME "vendorName" "vendor_name" "\""
    PRODUCT_EVENT_TYPE "productEventType" "product_event_type" "\""
    PRODUCT_LOG_ID "productLogId" "product_log_id" "\""
    DESCRIPTION "description" "description" "\""
    INGESTION_LABELS "ingestionLabels" "ingestion_labels" "["
    PRINCIPAL "principal" "principal" "{"
    TARGET "target" "target" "{"
    ABOUT "about" "about" "["
    NAMESPACE "namespace" "namespace" "\""
    LOCATION "location" "location" "{"
    NAME "name" "name" "\""
    USER "user" "user" "{"
    USERID "userid" "userid" "\""
    EMAIL_ADDRESSES "emailAddresses" "email_addresses" "[\""
    USER_DISPLAY_NAME "userDisplayName" "user_display_name" "\""
    FIRST_NAME "firstName" "first_name" "\""
    LAST_NAME "lastName" "last_name" "\""
    TITLE "title" "title" "\""
    DEPARTMENT "department" "department" "[\""
    ROLE_DESCRIPTION "roleDescription" "role_description" "\""
    ATTRIBUTE "attribute" "attribute" "{"
    ROLES "roles" "roles" "["
    LABELS "labels" "labels" "["
    READ_ONLY_UDM "readOnlyUdm" "read_only_udm" ""
}
