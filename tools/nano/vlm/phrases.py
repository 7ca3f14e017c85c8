"""CLDR names as English noun phrases: 'red apple' -> 'a red apple', 'grapes' -> 'grapes', 'fog' -> 'fog'."""
import re

from vlm.colours import NAMES

# singular although it ends in s; the last word decides
SINGULAR = set("bus trolleybus minibus octopus cactus lotus compass tennis abacus dress purse moss brass glass canvas virus platypus rhinoceros "
               "hippopotamus cross chess walrus hibiscus princess actress waitress hostess minus plus news dna cyclops".split())
# nothing to count: no article
MASS = set("fog ice bacon sake sushi spaghetti popcorn rice oden bread broccoli garlic butter salt food milk water money cooking camping bowling "
           "fencing surfing fishing badminton lacrosse hockey voltage smoking littering laughing restroom cinema customs claim luggage fuji "
           "information wireless racing yang curry soap yarn thread wood construction meat coral tea falafel fondue mate infinity tennis pong dna om "
           "fire aries taurus gemini cancer leo virgo libra scorpio sagittarius capricorn aquarius pisces ophiuchus zzz foggy mode way "
           "uppercase lowercase massage haircut".split())
UNARTICLED = re.compile(r"^(santa claus|mrs\. claus|mx claus|mount fuji|statue of liberty|tokyo tower|people |men |women |children|busts|"
                        r"hands|see-no|hear-no|speak-no|rolling on|locked|unlocked|no |dashing away|moon viewing|keycap|cutlery|fork and knife|"
                        r"hammer and|bow and|nut and|skull and|globe showing americas$|star and|thumbs|"
                        r"multiply|divide|.*o'clock|.*-thirty)")
VOWEL = re.compile(r"^(a|e(?!we|uro)|i|o(?!ne)|u(?!ni|fo)|hour|x-ray|sos|ng |8)", re.IGNORECASE)
UNCOLOURED = set("voltage cooking camping bowling tennis badminton lacrosse hockey cricket pong foggy locked unlocked construction ceremony arts "
                 "fuji landslide wedding".split())
HEAD_END = re.compile(r" (?:with|of|on|in|and|at|behind|over|without|under|savoring|holding|showing|facing) ")
WITHOUT_COLOUR_GROUPS = {0, 1, 8, 9}      # faces, people, symbols, flags


def spoken(label):
    """The label as one says it: straight quotes, no colons."""
    text = label.replace("’", "'").replace("“", "").replace("”", "")
    if text.startswith("keycap: "):
        return text.replace(": ", " ")
    return text.replace(": ", " with ")


def head_word(words):
    return HEAD_END.split(words)[0].split()[-1].lower()


def is_plural(words):
    head = head_word(words)
    return head.endswith("s") and not head.endswith(("ss", "'s")) and head not in SINGULAR


def with_article(words):
    if words.startswith("flag of "):
        return "the " + words
    lower = words.lower()
    if is_plural(words) or head_word(words) in MASS or UNARTICLED.match(lower):
        return words
    return ("an " if VOWEL.match(words) else "a ") + words


def bare(phrase):
    """Without a leading article."""
    return re.sub(r"^(an?|the|some) ", "", phrase.strip())


def takes_colour(concept):
    """Whether a caption may put a colour before the name: things, but not faces, people, signs or flags, nor what has one already."""
    label = concept["label"]
    words = set(re.findall(r"[a-z]+", label.lower()))
    return (concept["group"] not in WITHOUT_COLOUR_GROUPS and not words & {*NAMES, *UNCOLOURED, "rainbow"}
            and not re.search(r"o’clock|-thirty", label) and not label[0].isupper())


def caption(concept, colours):
    """'a brown and white dog', 'red grapes', 'a grinning face'."""
    words = spoken(concept["label"])
    if not takes_colour(concept):
        return with_article(words)
    coloured = f"{' and '.join(colours)} {words}"
    if with_article(words) == words:
        return coloured
    return ("an " if coloured.startswith("orange") else "a ") + coloured
