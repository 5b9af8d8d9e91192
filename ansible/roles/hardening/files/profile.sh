# A shell that nobody uses ends by itself.
readonly TMOUT=900
export TMOUT
