//! Numbers as text, in Redis's forms.
