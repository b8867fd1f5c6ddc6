"""Long footage into clips by scene, for `data.videos`: `exvideo-prepare FOOTAGE... --output FOLDER`.

analysis    decodes each file once and remembers where shots end, how bright it is and how much it moves
shots       asks TransNetV2 where a shot ends
scenes      cuts files where a shot ends; tells which scenes are of use, and which are held out
captions    reads captions by file and time or scene
clips       writes the list, and the clips where they are asked for
sheet       draws a picture to look at, a row a scene
"""
