from .atomic import check_writable as check_writable
from .atomic import remove_leftovers as remove_leftovers
from .atomic import replacing as replacing
