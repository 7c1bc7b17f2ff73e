"""Names of time zones as shops' back ends show them: the names of Ruby on Rails."""

from __future__ import annotations

from typing import Final

_NAMES: Final = """
International Date Line West=Etc/GMT+12|American Samoa=Pacific/Pago_Pago|Midway Island=Pacific/Midway
Hawaii=Pacific/Honolulu|Alaska=America/Juneau|Pacific Time (US & Canada)=America/Los_Angeles
Tijuana=America/Tijuana|Mountain Time (US & Canada)=America/Denver|Arizona=America/Phoenix
Chihuahua=America/Chihuahua|Mazatlan=America/Mazatlan|Central Time (US & Canada)=America/Chicago
Saskatchewan=America/Regina|Guadalajara=America/Mexico_City|Mexico City=America/Mexico_City
Monterrey=America/Monterrey|Central America=America/Guatemala|Eastern Time (US & Canada)=America/New_York
Indiana (East)=America/Indiana/Indianapolis|Bogota=America/Bogota|Lima=America/Lima|Quito=America/Lima
Atlantic Time (Canada)=America/Halifax|Caracas=America/Caracas|La Paz=America/La_Paz
Santiago=America/Santiago|Newfoundland=America/St_Johns|Brasilia=America/Sao_Paulo
Buenos Aires=America/Argentina/Buenos_Aires|Montevideo=America/Montevideo|Puerto Rico=America/Puerto_Rico
Georgetown=America/Guyana|Greenland=America/Nuuk|Mid-Atlantic=Atlantic/South_Georgia
Azores=Atlantic/Azores|Cape Verde Is.=Atlantic/Cape_Verde|Dublin=Europe/Dublin|Edinburgh=Europe/London
Lisbon=Europe/Lisbon|London=Europe/London|Casablanca=Africa/Casablanca|Monrovia=Africa/Monrovia
Belgrade=Europe/Belgrade|Bratislava=Europe/Bratislava|Budapest=Europe/Budapest|Ljubljana=Europe/Ljubljana
Prague=Europe/Prague|Sarajevo=Europe/Sarajevo|Skopje=Europe/Skopje|Warsaw=Europe/Warsaw
Zagreb=Europe/Zagreb|Brussels=Europe/Brussels|Copenhagen=Europe/Copenhagen|Madrid=Europe/Madrid
Paris=Europe/Paris|Amsterdam=Europe/Amsterdam|Berlin=Europe/Berlin|Bern=Europe/Zurich
Zurich=Europe/Zurich|Rome=Europe/Rome|Stockholm=Europe/Stockholm|Vienna=Europe/Vienna
West Central Africa=Africa/Algiers|Bucharest=Europe/Bucharest|Cairo=Africa/Cairo|Helsinki=Europe/Helsinki
Kyiv=Europe/Kiev|Riga=Europe/Riga|Sofia=Europe/Sofia|Tallinn=Europe/Tallinn|Vilnius=Europe/Vilnius
Athens=Europe/Athens|Istanbul=Europe/Istanbul|Jerusalem=Asia/Jerusalem|Harare=Africa/Harare
Pretoria=Africa/Johannesburg|Moscow=Europe/Moscow|Riyadh=Asia/Riyadh|Nairobi=Africa/Nairobi
Abu Dhabi=Asia/Muscat|Muscat=Asia/Muscat|Mumbai=Asia/Kolkata|New Delhi=Asia/Kolkata|Chennai=Asia/Kolkata
Kolkata=Asia/Kolkata|Bangkok=Asia/Bangkok|Hanoi=Asia/Bangkok|Jakarta=Asia/Jakarta|Beijing=Asia/Shanghai
Hong Kong=Asia/Hong_Kong|Singapore=Asia/Singapore|Kuala Lumpur=Asia/Kuala_Lumpur|Taipei=Asia/Taipei
Perth=Australia/Perth|Seoul=Asia/Seoul|Osaka=Asia/Tokyo|Sapporo=Asia/Tokyo|Tokyo=Asia/Tokyo
Darwin=Australia/Darwin|Adelaide=Australia/Adelaide|Canberra=Australia/Canberra
Melbourne=Australia/Melbourne|Sydney=Australia/Sydney|Brisbane=Australia/Brisbane|Hobart=Australia/Hobart
Guam=Pacific/Guam|Auckland=Pacific/Auckland|Wellington=Pacific/Auckland|Fiji=Pacific/Fiji
"""
ZONES: Final[dict[str, str]] = dict(
    pair.split("=") for line in _NAMES.strip().splitlines() for pair in line.split("|")
)
"""Name -> name of the zone in the tz database. Other names are tz names themselves, or unknown."""


def in_zone(clock: object, name: str) -> object:
    """Put the zone that a row names behind its time of day.

    >>> in_zone("09:12:01", "Eastern Time (US & Canada)"), in_zone("09:12:01", "")
    ('09:12:01 [America/New_York]', '09:12:01')
    """
    name = name.replace("&amp;", "&")
    return f"{clock} [{ZONES.get(name, name)}]" if name and clock not in (None, "") else clock
