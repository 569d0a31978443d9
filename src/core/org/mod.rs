//! Reading and editing one org text, losslessly: what org-element says a heading is, we say.
