//! What kind of text a reply is, told from a few words: whether it refuses, and in which language it is. Both
//! are lists: of how refusals begin, and of words that hardly a sentence of a language does without. A text is
//! never judged by them alone; they only put replies that are worded anew each time into one class.

use super::text::{Kind, Token, tokens};
use std::sync::OnceLock;

/// Tokens at the beginning of a reply in which a refusal is looked for, and those in which its language is.
const BEGINNING: usize = 48;
const LANGUAGE: usize = 120;
/// Words of a language that a text must have, at least, and as a share of all; and how many more than of any other.
const LEAST: u32 = 3;
const SHARE: u32 = 8;
const MARGIN: u32 = 2;

/// How people and models say that they will not. An apostrophe stands for any of its forms.
const REFUSALS: &str = "i cannot|i can't|i can not|we cannot|we can't|cannot be answered|can't be answered|unable to|not able to|won't be able|i won't|i will not|\
i'm sorry|i am sorry|so sorry|sorry,|sorry but|apologies|i apologize|i apologise|apologise, but|apologize, but|i must decline|have to decline|decline to|respectfully decline|\
i refuse|refuse to|i'd rather not|i would rather not|rather not answer|prefer not to|not comfortable|not in a position|not something i|not allowed to|not permitted to|\
against my|not appropriate|inappropriate|can't assist|cannot assist|can't help|cannot help|can't comply|cannot comply|can't provide|cannot provide|can't answer|cannot answer|\
no answer to|nothing i can|beyond what i|beyond my|outside what i|outside my|as an ai|as a language model|unfortunately i|unfortunately, i|regrettably|i regret|not available for|request denied|access denied|\
lo siento|no puedo|no es posible|me temo que|no me es posible|je suis désolé|désolé|désolée|je ne peux|je ne suis pas en mesure|malheureusement|je regrette|\
es tut mir leid|tut mir leid|leider|ich kann nicht|ich kann dir|ich kann ihnen|bedaure|entschuldigung|mi dispiace|non posso|purtroppo|desculpe|não posso|sinto muito|infelizmente|\
het spijt me|ik kan niet|ik kan je|helaas|jag kan inte|tyvärr|jeg kan ikke|beklager|desværre|valitettavasti|en voi|przepraszam|przykro mi|nie mogę|niestety|omlouvám se|bohužel|nemohu|\
sajnálom|sajnos|nem tudok|îmi pare rău|nu pot|din păcate|üzgünüm|maalesef|yapamam|maaf|tidak bisa|tidak dapat|xin lỗi|tôi không thể|\
извините|простите|к сожалению|я не могу|не могу|вибачте|на жаль|я не можу|съжалявам|не мога|抱歉|对不起|對不起|无法|無法|不能|很遗憾|申し訳|すみません|できません|ごめん|죄송합니다|죄송하지만|미안합니다|할 수 없습니다|آسف|عذرا|لا أستطيع|لا يمكنني|متاسفم|نمی توانم|माफ़ कीजिए|क्षमा";

/// Words of which a sentence of the language has one or more. A word may be one of several languages.
const LANGUAGES: [(&str, &str); 23] = [
    ("English", "the of and is that with for this are from was not you which have it as by be an in to can or at has will they on but"),
    (
        "German",
        "der die das und ist nicht mit ein eine für auf werden sich auch zu von den dem wird oder im sind es bei als nach einen aus sie kann",
    ),
    (
        "French",
        "le la les des est une dans pour qui pas sur avec sont vous ce et du au par il ou de en un que se a ne à cette leur plus son l d",
    ),
    (
        "Spanish",
        "el los las que del una por con para es se como más su y en lo al no un de la o a sin sus este esta cuando son ser todo todos sobre pero tiene puede",
    ),
    (
        "Italian",
        "il che di una per con sono della non gli è nel anche questo si le i dei lo e la un in a del da o al ha come più alla dell l",
    ),
    (
        "Portuguese",
        "o os que uma para não com do da em é dos como mais são no na por um ao de a e as se ou das seu sua quando ser todo tem pode",
    ),
    ("Dutch", "het een van en niet zijn voor met dat op ook wordt de die bij aan te is kan worden"),
    ("Swedish", "och att det som en är av för inte med den till ett på om kan när eller ska"),
    ("Danish or Norwegian", "og det er en til af av for ikke med som på at den et kan du ikke eller ved når å"),
    ("Finnish", "ja on ei että se ovat joka kun mutta tai myös voi sen ole mukaan jos niin"),
    ("Polish", "nie się jest na do że w z to jak oraz przez dla są lub po i od ten który"),
    ("Czech", "je se na že v s to jsou jako pro nebo který a i z do po od není tento"),
    ("Hungarian", "a az és nem hogy egy is meg van ezt ha ez vagy de mint csak lesz minden"),
    ("Romanian", "și este nu în o care pentru cu din sunt mai un la de se ca sau al"),
    ("Turkish", "ve bir bu için ile olarak da de çok değil olan veya gibi daha her ne"),
    ("Indonesian", "yang dan di untuk dengan ini dari tidak adalah pada atau akan itu ke dalam oleh"),
    ("Vietnamese", "và của là không cho một các có được trong này với để người những khi đã"),
    (
        "Russian",
        "и в не на что с по это как для от из или если он его при быть также все к но они у о так их может должен себя чтобы этот только было есть",
    ),
    ("Ukrainian", "і та не що на це для у або від з до є як при його якщо бути також в й за про всі вони може має по чи так але"),
    ("Bulgarian", "и на да се не от за са е като в с или ако при тази това който по те до има може без всички със си този към"),
    ("Arabic", "من في على أن إلى التي هذا عن مع ما هو كان لا أو ذلك هذه كل"),
    ("Persian", "و در به از که این را با است برای آن یک می تا شود بر هم"),
    ("Catalan", "el la els les que amb per una és del i no es dels al en un com de a o seu seva pot són tot aquest quan més"),
];

/// Whoever names a language asks for it.
const NAMES: &str = "english french german spanish italian portuguese dutch swedish danish norwegian finnish polish czech hungarian romanian turkish \
indonesian vietnamese russian ukrainian bulgarian arabic persian farsi catalan chinese mandarin cantonese japanese korean hindi bengali urdu tamil \
thai greek hebrew latin esperanto swahili malay tagalog filipino serbian croatian slovak slovenian lithuanian latvian estonian icelandic irish \
welsh basque galician translate translated translation translations language languages deutsch englisch französisch spanisch italienisch russisch \
chinesisch japanisch übersetze übersetzen übersetzung sprache français anglais allemand espagnol italien russe chinois japonais traduire traduis \
traduction langue español inglés francés alemán italiano ruso chino japonés traduce traducir traducción idioma português inglês francês alemão \
traduza tradução nederlands engels duits frans vertaal svenska engelska tyska översätt dansk engelsk tysk norsk suomi englanti polski angielski \
niemiecki przetłumacz tłumaczenie česky anglicky přelož magyar angol fordítsd română engleză türkçe ingilizce çevir bahasa inggris terjemahkan \
русский английский немецкий французский испанский китайский переведи перевод язык русском английском українська англійська";

struct Lists {
    /// The phrases by their first token: where they begin and end in `phrases`.
    starts: Table,
    phrases: Vec<Vec<u64>>,
    apostrophes: Vec<u64>,
    languages: Table,
    names: Table,
}

/// A small table from hashes to numbers other than 0.
struct Table(Vec<(u64, u32)>);

impl Table {
    /// With at least three of four slots free, a search ends at once for nearly every word that is not in it.
    fn of(entries: &[(u64, u32)]) -> Table {
        let mut table = Table(vec![(0, 0); (4 * entries.len()).next_power_of_two()]);
        for &(key, value) in entries {
            let mut at = table.home(key);
            while table.0[at].1 != 0 && table.0[at].0 != key {
                at = (at + 1) & (table.0.len() - 1);
            }
            table.0[at] = (key, table.0[at].1 | value);
        }
        table
    }
    fn home(&self, key: u64) -> usize {
        (key >> 32) as usize & (self.0.len() - 1)
    }
    fn get(&self, key: u64) -> u32 {
        let mut at = self.home(key);
        while self.0[at].1 != 0 {
            if self.0[at].0 == key {
                return self.0[at].1;
            }
            at = (at + 1) & (self.0.len() - 1);
        }
        0
    }
}

fn hashes(text: &str) -> Vec<u64> {
    let mut out = Vec::new();
    tokens(text, 0, &mut out);
    out.iter().filter(|t| !t.is_edge()).map(|t| t.hash).collect()
}

fn lists() -> &'static Lists {
    static LISTS: OnceLock<Lists> = OnceLock::new();
    LISTS.get_or_init(|| {
        let mut phrases: Vec<Vec<u64>> = REFUSALS.split('|').map(hashes).filter(|p| !p.is_empty()).collect();
        phrases.sort_unstable();
        phrases.dedup();
        let mut starts: Vec<(u64, u32)> = Vec::new();
        for (i, phrase) in phrases.iter().enumerate() {
            // The number of the first phrase with this token; the others follow it.
            if i == 0 || phrases[i - 1][0] != phrase[0] {
                starts.push((phrase[0], i as u32 + 1));
            }
        }
        let languages: Vec<(u64, u32)> =
            LANGUAGES.iter().enumerate().flat_map(|(i, (_, words))| hashes(words).into_iter().map(move |w| (w, 1 << i))).collect();
        let names: Vec<(u64, u32)> = hashes(NAMES).into_iter().map(|w| (w, 1)).collect();
        let apostrophes = ["'", "\u{2019}", "\u{2bc}", "`", "\u{b4}"].iter().flat_map(|a| hashes(a)).collect();
        Lists { starts: Table::of(&starts), phrases, apostrophes, languages: Table::of(&languages), names: Table::of(&names) }
    })
}

/// Whether a reply begins by saying that it will not answer.
pub fn is_refusal(reply: &[Token]) -> bool {
    let lists = lists();
    let same = |t: &Token, hash: u64| t.hash == hash || lists.apostrophes[0] == hash && lists.apostrophes.contains(&t.hash);
    let head = &reply[..reply.len().min(BEGINNING)];
    (0..head.len()).any(|at| {
        let Some(from) = (lists.starts.get(head[at].hash) as usize).checked_sub(1) else { return false };
        let candidates = lists.phrases[from..].iter().take_while(|p| p[0] == head[at].hash);
        candidates.into_iter().any(|p| head.len() - at >= p.len() && head[at..].iter().zip(p).all(|(t, hash)| same(t, *hash)))
    })
}

/// The language of a text, as a small number: which list most of its words are in.
pub fn language(text: &[Token]) -> Option<u64> {
    let lists = lists();
    let mut counts = [0u32; LANGUAGES.len()];
    let mut words = 0;
    for t in text.iter().filter(|t| t.kind == Kind::Word).take(LANGUAGE) {
        words += 1;
        let mut of = lists.languages.get(t.hash);
        while of != 0 {
            counts[of.trailing_zeros() as usize] += 1;
            of &= of - 1;
        }
    }
    let (best, most) = counts.iter().enumerate().max_by_key(|(i, n)| (**n, std::cmp::Reverse(*i)))?;
    let second = counts.iter().enumerate().filter(|(i, _)| *i != best).map(|(_, n)| *n).max()?;
    (*most >= LEAST && most * SHARE >= words && *most >= second + MARGIN).then_some(best as u64)
}

/// Whether a word names a language, or asks for a translation.
pub fn names_language(hash: u64) -> bool {
    lists().names.get(hash) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Token> {
        let mut out = Vec::new();
        tokens(text, 0, &mut out);
        out[1..out.len() - 1].to_vec()
    }

    #[test]
    fn refusals_are_known_however_they_are_worded() {
        for text in [
            "I'm sorry, but I can't do that.",
            "I\u{2019}m afraid I can\u{2019}t help with this one.",
            "Unfortunately, I do not have an answer.",
            "As an AI, I have no opinion.",
            "That is something I would rather not discuss.",
            "Es tut mir leid, das geht nicht.",
            "Lo siento, no es posible.",
            "\u{62b1}\u{6b49}\u{ff0c}\u{6211}\u{5e2e}\u{4e0d}\u{4e86}\u{4f60}\u{3002}",
        ] {
            assert!(is_refusal(&of(text)), "{text}");
        }
        let late = format!("{} I cannot", "Here is what I know. ".repeat(20));
        for text in ["", "The cat can swim.", "It is not known.", "Sorrel is a herb.", &late] {
            assert!(!is_refusal(&of(text)), "{text}");
        }
    }

    #[test]
    fn a_few_sentences_tell_their_language() {
        let name = |text: &str| language(&of(text)).map(|l| LANGUAGES[l as usize].0);
        for (text, expected) in [
            ("All human beings are born free and equal in dignity and rights. They are endowed with reason.", Some("English")),
            ("Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt.", Some("German")),
            ("Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison.", Some("French")),
            (
                "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón, deben ser buenos.",
                Some("Spanish"),
            ),
            ("Все люди рождаются свободными и равными, и это значит, что они не одни: как для одного, так и для всех", Some("Russian")),
            ("kalo mine rusa tovi", None),
            ("", None),
        ] {
            assert_eq!(name(text), expected, "{text}");
        }
    }

    #[test]
    fn names_of_languages_are_known_in_several() {
        assert!(["German", "deutsch", "TRADUIRE"].iter().all(|w| names_language(of(w)[0].hash)));
        assert!(!names_language(of("germane")[0].hash));
    }
}
