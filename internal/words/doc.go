// Package words says what is wrong with the files of users, in the same words wherever it is found: diagnostics, the phrases
// in them, and checks of texts that need nothing but the text.
//
// Nothing here knows which values are sensitive. What is given to [Quote] and to a [Check] that repeats its text will be
// shown.
package words
