from .drawing import splits_of as splits_of
from .duplicates import Distinct as Distinct
from .duplicates import distinct as distinct
from .examples import Example as Example
from .examples import Labelled as Labelled
from .notes import notes_of as notes_of
from .roles import Roles as Roles
from .roles import roles_of as roles_of
