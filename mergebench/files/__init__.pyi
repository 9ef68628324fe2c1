from .atomic import check_writable as check_writable
from .atomic import remove_leftovers as remove_leftovers
from .atomic import replacing as replacing
from .reading import check_regular as check_regular
from .reading import read_bounded as read_bounded
